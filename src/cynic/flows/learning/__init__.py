"""What a learning pass is made of: answers read, folded one by one, looked at together in cycles, and written.

`answers` reads what is to be learned, `fold` applies the loops that move with every answer, `state` keeps what they
know, `cycle` runs the loops that look at many answers at once. `flows.learn` puts them into transactions.
"""
