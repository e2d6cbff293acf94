package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"branchline.dev/branchline/schemas"
)

// The exit codes of every command.
const (
	exitOK      = 0
	exitFailure = 1 // it was tried and did not work, or the input is wrong
	exitUsage   = 2 // the command line is wrong
)

// errReported ends a command that has already said what is wrong.
var errReported = errors.New("already reported")

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var usage usageError
	var problems schemas.Problems
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errReported):
	case errors.As(err, &problems):
		fmt.Fprintln(stderr, problems.Error())
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "branchline: %v\n", err)
		return exitUsage
	default:
		fmt.Fprintf(stderr, "branchline: %v\n", err)
	}
	return exitFailure
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "branchline",
		Short: "GitOps for fleets of Kubernetes clusters",
		Long: `Branchline keeps fleets of Kubernetes clusters as a Git repository says.

People push cluster profiles and clusters to main; a renderer writes one
desired-state branch per cluster; agents apply it and push their status back.`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%v; see \"%s --help\"", err, cmd.CommandPath())
	})
	root.AddGroup(
		&cobra.Group{ID: "write", Title: "Write a tenant repository:"},
		&cobra.Group{ID: "see", Title: "See the fleet:"},
		&cobra.Group{ID: "operate", Title: "Run Branchline:"},
	)
	for group, commands := range map[string][]*cobra.Command{
		"write":   {newInit(), newValidate(), newRender()},
		"see":     {newStatus(), newGet()},
		"operate": {newDemo(), newHub()},
		"":        {newVersion(), newReference()},
	} {
		for _, command := range commands {
			command.GroupID = group
			root.AddCommand(command)
		}
	}
	return needsSubcommand(root)
}

// usageError is a mistake on the command line.
type usageError struct{ message string }

func (e usageError) Error() string { return e.message }

func usagef(format string, args ...any) error {
	return usageError{fmt.Sprintf(format, args...)}
}

// exactArgs and atMostOne word what cobra's own checks say less clearly.
func exactArgs(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usagef("expected %s; see \"%s --help\"", what, cmd.CommandPath())
		}
		return nil
	}
}

func atMostOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > 1 {
			return usagef("expected at most one %s; see \"%s --help\"", what, cmd.CommandPath())
		}
		return nil
	}
}

// needsSubcommand makes a command that only groups others say so.
func needsSubcommand(command *cobra.Command) *cobra.Command {
	command.Args = cobra.ArbitraryArgs
	command.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		var names []string
		for _, child := range cmd.Commands() {
			names = append(names, child.Name())
		}
		return usagef("unknown command %q%s; see \"%s --help\"", args[0], strings.TrimSuffix(schemas.Suggest(args[0], names), "?"), cmd.CommandPath())
	}
	return command
}

// directory is the optional argument DIR of many commands.
func directory(args []string) string {
	if len(args) == 0 {
		return "."
	}
	return args[0]
}
