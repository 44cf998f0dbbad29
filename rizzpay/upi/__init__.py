"""UPI syntax: VPA, intent links, QR."""
