"""The doctor: checks the installation as a user would, and names the command that mends what is wrong.

Small readers gather what can be seen from here; checks are pure functions from that to findings.
"""
