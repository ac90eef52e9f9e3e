"""Demonstrations on data that anybody can look at: a data set is replayed through the service's own flows.

`dataset` reads or generates tasks, `replay` lets the pack work on them and learn, `pictures` draws what came of it.
"""
