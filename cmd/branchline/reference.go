package main

import (
	"bytes"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// newReference writes the page about the commands; "make generate" calls it.
func newReference() *cobra.Command {
	return &cobra.Command{
		Use:    "reference FILE",
		Short:  "Write the reference of all commands",
		Hidden: true,
		Args:   exactArgs(1, "a file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var page bytes.Buffer
			page.WriteString("# Commands\n\nWritten by `make generate` from the program itself. Exit codes: 0 done, 1 failed or\nthe input is wrong, 2 the command line is wrong.\n")
			describeCommand(&page, cmd.Root())
			return os.WriteFile(args[0], page.Bytes(), 0o644)
		},
	}
}

func describeCommand(page *bytes.Buffer, command *cobra.Command) {
	if command.Runnable() && !command.HasSubCommands() {
		fmt.Fprintf(page, "\n## %s\n\n%s.\n\n", command.CommandPath(), command.Short)
		if command.Long != "" {
			fmt.Fprintf(page, "```text\n%s\n```\n\n", command.Long)
		}
		fmt.Fprintf(page, "Usage: `%s`\n", command.UseLine())
		describeFlags(page, command)
		if command.Example != "" {
			fmt.Fprintf(page, "\n```sh\n%s\n```\n", command.Example)
		}
	}
	for _, child := range command.Commands() {
		// The commands that cobra adds by itself differ with its version.
		if child.Hidden || child.Name() == "help" || child.Name() == "completion" {
			continue
		}
		describeCommand(page, child)
	}
}

func describeFlags(page *bytes.Buffer, command *cobra.Command) {
	var rows bytes.Buffer
	command.NonInheritedFlags().VisitAll(func(flag *pflag.Flag) {
		if flag.Name == "help" {
			return
		}
		name := "`--" + flag.Name + "`"
		if flag.Shorthand != "" {
			name = "`-" + flag.Shorthand + "`, " + name
		}
		fmt.Fprintf(&rows, "| %s | %s | %s |\n", name, flag.Usage, defaultText(flag))
	})
	if rows.Len() > 0 {
		fmt.Fprintf(page, "\n| flag | meaning | default |\n|---|---|---|\n%s", rows.String())
	}
}

func defaultText(flag *pflag.Flag) string {
	switch flag.DefValue {
	case "", "[]", "false":
		return ""
	}
	return "`" + flag.DefValue + "`"
}
