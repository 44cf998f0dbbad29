"""What speaks to acquirers and banks, behind one port."""
