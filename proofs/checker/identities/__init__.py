"""Eq. (1) from its definition, and facts about it: identities for all parameters, values at a policy, decisions."""
