"""Reserved for communication with people: status updates, approvals, receipts, escalation policies. Still empty: what
the hub writes to the vendors today needs none of it."""
