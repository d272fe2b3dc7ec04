"""The one way out: what a store found becomes what may be told."""
