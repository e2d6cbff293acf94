package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"branchline.dev/branchline/cmd/internal/output"
	"branchline.dev/branchline/cmd/internal/version"
)

func newVersion() *cobra.Command {
	var format output.Format
	command := &cobra.Command{
		Use:   "version",
		Short: "Print the version of this program",
		Args:  exactArgs(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			info := versionInfo{Version: version.Version, Revision: revision(), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
			return output.Write(cmd.OutOrStdout(), format, info, func() output.Table {
				return output.Table{Rows: [][]string{{fmt.Sprintf("branchline %s (%s, %s)", info.Version, info.Go, info.Platform)}}}
			})
		},
	}
	output.AddFlag(command, &format)
	return command
}

type versionInfo struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// revision is the commit that the program was built from, if Go knew it.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			return setting.Value
		}
	}
	return ""
}
