"""The connector to Razorpay: orders, their hosted checkout, captures, refunds, webhooks."""
