"""The public pages: what anybody may read without an account. Strict security headers, no script, no cookie."""
