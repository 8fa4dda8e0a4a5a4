"""Reaching people: updates, approvals, receipts, ladders. Still empty: what is written to the vendors today needs none of it."""
