"""The only readers of the outside world: they turn files, variables and drivers into Facts."""
