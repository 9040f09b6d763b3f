package admin

import "context"

// forgetSecrets gives up what is sealed with a key that is lost.
func (a *Admin) forgetSecrets(ctx context.Context, _ Nothing) (Nothing, error) {
	return Nothing{}, a.o.Directory.ForgetSecrets(ctx)
}
