"""What much at once does to the house: a long backlog, many members, many connections."""
