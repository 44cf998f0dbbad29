"""How the service becomes a machine. Imports rizzpay; nothing of rizzpay knows it."""
