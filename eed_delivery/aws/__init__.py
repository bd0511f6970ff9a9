"""AWS: sessions with it, and the calls that go with every email (`calls`)."""
