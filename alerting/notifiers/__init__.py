"""The ways of telling somebody: e-mail, webhooks, chats and pagers. Shell."""
