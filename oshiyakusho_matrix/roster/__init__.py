"""Who is what, now: members, the secretariat, and the register of managed rooms. What the capabilities share."""
