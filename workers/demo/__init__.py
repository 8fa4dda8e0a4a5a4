"""`lockstep demo`: a whole hub on embedded parts, four stand-in vendors over loopback, and a real incident played out."""
