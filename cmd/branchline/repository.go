package main

import (
	"os"

	"github.com/spf13/cobra"

	"branchline.dev/branchline/cmd/internal/fleet"
)

// repositoryOptions say which tenant repository a command reads.
type repositoryOptions struct{ location string }

func (o *repositoryOptions) add(command *cobra.Command) {
	command.Flags().StringVarP(&o.location, "repository", "r", "",
		"URL of the tenant repository, or a clone of it (default: $BRANCHLINE_REPOSITORY, or the clone that you are in)")
}

// open resolves the flag. The token may stand in $BRANCHLINE_TOKEN, so that it
// shows in no list of processes.
func (o *repositoryOptions) open() (fleet.Reader, error) {
	location := o.location
	if location == "" {
		location = os.Getenv("BRANCHLINE_REPOSITORY")
	}
	if location == "" {
		location = "."
	}
	return fleet.Open(location, os.Getenv("BRANCHLINE_TOKEN"))
}
