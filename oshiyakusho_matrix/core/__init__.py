"""Words that every room of the house uses: ids, clock, errors, text. Standard library and pydantic only."""
