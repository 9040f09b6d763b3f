// Posthorn is a complete mail server. See posthorn --help.
package main

import (
	"context"
	"os"
	"slices"

	"posthorn/internal/cli"
	"posthorn/internal/service"
)

func main() {
	if slices.Contains(os.Args, "serve") {
		service.Relax()
	}
	os.Exit(cli.Run(context.Background(), cli.Arguments(os.Args), cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
}
