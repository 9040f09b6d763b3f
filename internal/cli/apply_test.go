package cli

import "testing"

// documents are what apply.txt speaks of.
var documents = map[string]string{
	"users.json": `{
  "domains": [
    {"name": "example.org", "alias_of": "example.test"},
    {"name": "example.test", "catch_all": "alice@example.test"}
  ],
  "accounts": [
    {"address": "alice@example.test", "password_file": "alice.password", "language": "zh-CN", "quota": {"bytes": "2GB", "messages": 1000}},
    {"address": "bob@example.test", "password": "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", "state": "no-login", "forward": {"to": ["sales@example.org"]}}
  ],
  "aliases": [{"address": "sales@example.test", "targets": ["alice@example.test", "pal@elsewhere.test"], "senders": "members"}]
}
`,
	"alice.password": "a secret of hers\n",
	"fewer.json": `{
  "domains": [{"name": "example.test"}],
  "accounts": [{"address": "alice@example.test", "password": "{SSHA}UgCJjM+VJJYduihDuk0aPpDtY9RzYWx0eQ==", "language": "en"}]
}
`,
	"wrong.json":  "{\n  \"accounts\": [\n    {\"address\": \"x@example.test\", \"password\": \"hello\", \"stat\": \"active\"}\n  ]\n}\n",
	"astray.json": "{\n  \"aliases\": [{\"address\": \"x@example.test\", \"targets\": [\"y@example.test\"]}]\n}\n",
}

func TestApply(t *testing.T) { playTwice(t, "apply.txt", documents) }
