"""Amazon SES, API v2: the transport, and what each answer means (`answers`)."""
