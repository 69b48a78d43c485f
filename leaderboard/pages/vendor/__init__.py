"""Libraries of the board's page as their authors publish them; `vendor.toml` names versions and checksums."""
