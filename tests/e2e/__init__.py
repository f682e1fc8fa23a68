"""End to end: the service as ``serve`` runs it, on a real Synapse that federates with another, seen by people's clients."""
