// Posthorn is a complete mail server. See posthorn --help.
package main

import (
	"context"
	"os"

	"posthorn/internal/cli"
)

func main() {
	os.Exit(cli.Run(context.Background(), cli.Arguments(os.Args), cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
}
