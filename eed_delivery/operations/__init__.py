"""What an operator can ask and decide, for every surface: the command line, an API, a page, a function in the cloud.

One module a subject. A request is a frozen dataclass, and so is its result. Nothing here prints, reads a terminal, an
environment or a path, or ends the process. What is refused is an error of `refusals`, or another one of `errors`. Who
acts is an `Actor`, which the surface hands in. The composition root puts the parts together.
"""
