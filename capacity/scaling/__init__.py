"""How throughput grows: Gunther's Universal Scalability Law, fitted, with its confidence.

usl.py    X(n) = λn / (1 + σ(n-1) + κn(n-1)): least squares, bootstrap, "not identifiable"
"""
