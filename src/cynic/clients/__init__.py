"""Outbound only: what cynic asks of other services, and never without being configured to."""
