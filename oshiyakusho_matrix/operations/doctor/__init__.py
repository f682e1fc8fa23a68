"""``doctor``: looks at everything an installation depends on, changes nothing, and says how to mend each finding."""
