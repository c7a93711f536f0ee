"""The typed graph: sizes, types, operators' interface, nodes, scopes, parameters, verifier and printer."""
