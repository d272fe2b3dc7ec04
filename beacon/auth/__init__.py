"""Who asks (tokens, assertions of network nodes) and how deeply each dataset answers them (policy)."""
