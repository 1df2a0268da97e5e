"""Update rules as vector fields: flows, equilibria, periodic orbits, bifurcations; iterations and sampled steps.

Rooms, each building on those before: `rules`, `fields`, `motion`, `sampling`, `orbits`, `bifurcations`, `learners`,
`search`, `choice`, `experiments`, `portraits` (data), `drawing` (matplotlib). Users import `vorticity`.
"""
