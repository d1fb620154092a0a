"""Everything that touches the network towards a vendor; nothing else imports httpx."""
