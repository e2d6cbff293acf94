package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"branchline.dev/branchline/cmd/internal/output"
	"branchline.dev/branchline/renderer"
	"branchline.dev/branchline/schemas"
)

func newValidate() *cobra.Command {
	var format output.Format
	command := &cobra.Command{
		Use:   "validate [DIR]",
		Short: "Check a tenant repository and print every error",
		Long: `Check the tenant repository in DIR (default: here) as a hub does at a push, which
includes rendering every cluster. In a clone it compares with the desired
branches that were fetched last (git fetch), for the rules about what may follow
what, such as the removal of a cluster. Each error is one line:

  path:line:column: field: message

Exit code 0: no errors. 1: errors. 2: wrong usage.`,
		Args: atMostOne("directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			rendered, err := renderDirectory(cmd.Context(), directory(args))
			var problems schemas.Problems
			if err != nil && !errors.As(err, &problems) {
				return err
			}
			if err := writeProblems(cmd, format, problems, rendered); err != nil {
				return err
			}
			if len(problems) > 0 {
				return errReported
			}
			return nil
		},
	}
	output.AddFlag(command, &format)
	return command
}

func writeProblems(cmd *cobra.Command, format output.Format, problems schemas.Problems, rendered *renderer.Output) error {
	err := output.Write(cmd.OutOrStdout(), format, problemList(problems), func() output.Table {
		var table output.Table
		for _, problem := range problems {
			table.Rows = append(table.Rows, []string{problem.Error()})
		}
		if rendered != nil {
			table.Empty = count(living(rendered), "cluster") + ", no errors"
		}
		return table
	})
	if err == nil && len(problems) > 0 {
		fmt.Fprintln(cmd.ErrOrStderr(), count(len(problems), "error"))
	}
	return err
}

// living counts the clusters that have not ended.
func living(rendered *renderer.Output) int {
	n := 0
	for _, tree := range rendered.Clusters {
		if tree.Manifest.Spec.Tombstone == nil {
			n++
		}
	}
	return n
}

// problem is one error as programs read it.
type problem struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Field   string `json:"field,omitempty"`
	Message string `json:"message"`
}

func problemList(problems schemas.Problems) []problem {
	list := make([]problem, len(problems))
	for i, p := range problems {
		list[i] = problem{File: p.File, Line: p.Line, Column: p.Column, Field: p.Field, Message: p.Message}
	}
	return list
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
