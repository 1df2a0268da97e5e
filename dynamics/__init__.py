"""Motion: update rules as vector fields, and what their flows and iterations do.

Rooms, each building on those before: `rules`, `fields`, `motion`, `sampling`, `orbits`, `bifurcations`, `learners`,
`search`, `choice`, `experiments`, `portraits` (data), `drawing` (matplotlib). Users import `vorticity`.
"""
