package main

import (
	"os"

	"github.com/spf13/cobra"

	"branchline.dev/branchline/cmd/internal/demo"
	"branchline.dev/branchline/cmd/internal/output"
	"branchline.dev/branchline/cmd/internal/version"
)

func newDemo() *cobra.Command {
	var options demo.Options
	programs := programFlags{}
	command := &cobra.Command{
		Use:   "demo",
		Short: "Run the whole system on this machine",
		Long: `Start a hub with a tenant repository and two Kubernetes clusters on this machine,
then show, with times: a push of a changed variable reaching both clusters, an
edit by hand that is healed, and a broken profile that is refused at the push.

It stays up until Ctrl-C, then leaves no process and no file behind except what
--keep asks for. Exit code 0: every step succeeded.`,
		Args: exactArgs(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			found, err := programs.find()
			if err != nil {
				return err
			}
			if options.Self, err = os.Executable(); err != nil {
				return err
			}
			options.ControlPlane, options.Kwok, options.Agent = found.controlPlane, found.kwok, found.agent
			options.Version, options.Out = version.Version, cmd.OutOrStdout()
			report, err := demo.Run(cmd.Context(), options)
			if err != nil {
				return err
			}
			if !report.OK {
				return errReported
			}
			return nil
		},
	}
	flags := command.Flags()
	flags.BoolVar(&options.Once, "once", false, "end after the last step")
	flags.BoolVar(&options.Keep, "keep", false, "leave the demo's directory in place at the end")
	flags.StringVar(&options.Dir, "dir", "", "directory of the demo, kept at the end; a demo that ran there before goes on (default: a temporary one)")
	output.AddFlag(command, &options.Format)
	programs.add(command)
	return command
}
