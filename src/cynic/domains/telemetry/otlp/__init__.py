"""What OpenTelemetry sends, read into plain values: spans, log records, and the facts of agents in them.

`aliases.json` is the table of names, data with a version; `facts` applies it; `attributes` turns values into JSON without
loss; `spans` and `logs` read one item; `request` reads a whole export request and sets aside what cannot be stored;
`calls` decides which reports are one call; `merge` says what a batch changes in what is stored. Nothing here does I/O.

Only calls of a model carry usage that counts. What an agent or a chain tells is a sum over its parts: a claim, kept on
its span and compared, never added.
"""
