"""Draws."""
def plot(measured):
    return ""
