"""kill -9 at every step: whatever the step, the next start leads to the same end, and nothing is there twice.

``points`` counts the steps and kills, ``runner`` is the process that is killed, ``sites`` are the homeservers that it
talks to, ``attempts`` has processes follow one another, ``endings`` says how it ended, ``sweep`` goes through all.
"""
