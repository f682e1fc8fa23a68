"""The way in: the application service API. Store first, then answer 200; handle one event at a time, in room order."""
