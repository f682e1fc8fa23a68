"""End to end: the service as ``serve`` runs it, on real Synapses that federate, seen by people's own clients."""
