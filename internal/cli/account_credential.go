package cli

import "posthorn/internal/admin"

type accountForgetSecrets struct{}

func (c *accountForgetSecrets) Run(e *environment) error {
	if _, err := call(e, admin.ForgetSecrets, admin.Nothing{}); err != nil {
		return err
	}
	return e.done("forgot", "secrets", "forgot the secrets that were sealed with the key that is lost; passwords and app passwords work as before")
}
