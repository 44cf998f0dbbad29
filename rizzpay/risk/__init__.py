"""May this merchant take this payment?"""
