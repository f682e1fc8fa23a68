"""What tests share: real homeservers and databases, installations to test with, and members with real clients."""
