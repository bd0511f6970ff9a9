"""What keeps a process running: the supervisor, the loop that every role is made of, how often it looks for work, and
the points where a test may stop it (`failpoints`).
"""
