package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"branchline.dev/branchline/cmd/internal/fleet"
	"branchline.dev/branchline/cmd/internal/output"
	"branchline.dev/branchline/schemas"
)

func newStatus() *cobra.Command {
	var repository repositoryOptions
	var trusted trustedKeyOptions
	var format output.Format
	command := &cobra.Command{
		Use:   "status [CLUSTER]",
		Short: "Show how clusters are, or one cluster layer by layer",
		Long: `Show how every cluster is, or one cluster layer by layer, as the signed statuses
in the tenant repository say. It talks to Git only, never to a cluster.

Without --trusted-key each desired branch is checked by the keys that its own
manifest lists: that finds what anybody wrote who does not serve the repository.
With it, nothing is believed that does not go back to one of those keys, so that
the server of the repository can withhold news but not make any up.

What is not signed as it should be, or is of another cluster, makes a cluster
Untrusted; what cannot be read makes it Unknown.`,
		Example: `  branchline status
  branchline status prod --output yaml
  branchline status --trusted-key renderer.pub`,
		Args: atMostOne("cluster"),
		RunE: func(cmd *cobra.Command, args []string) error {
			keys, err := trusted.keys()
			if err != nil {
				return err
			}
			reader, err := repository.open()
			if err != nil {
				return err
			}
			now := time.Now()
			clusters, err := fleet.Read(cmd.Context(), reader, now, keys...)
			if err != nil {
				return err
			}
			if len(args) == 0 {
				return output.Write(cmd.OutOrStdout(), format, clusters, func() output.Table { return fleet.Summary(clusters, now) })
			}
			i := slices.IndexFunc(clusters, func(c fleet.Cluster) bool { return c.Name == args[0] })
			if i < 0 {
				return fmt.Errorf("there is no cluster %q with a desired branch", args[0])
			}
			cluster := clusters[i]
			return output.Write(cmd.OutOrStdout(), format, cluster, func() output.Table { return describe(cluster) })
		},
	}
	repository.add(command)
	trusted.add(command)
	output.AddFlag(command, &format)
	return command
}

// trustedKeyOptions say whose signatures are the start of the chain of trust.
type trustedKeyOptions struct{ values []string }

func (o *trustedKeyOptions) add(command *cobra.Command) {
	// An array, not a slice: the comment of a key may hold a comma.
	command.Flags().StringArrayVar(&o.values, "trusted-key", nil,
		"public key, or file of such, that signs the desired branches; may be repeated (default: the file $BRANCHLINE_TRUSTED_KEYS)")
}

// keys are none if neither the flag nor the variable is set.
func (o *trustedKeyOptions) keys() ([]string, error) {
	values := o.values
	if file := os.Getenv("BRANCHLINE_TRUSTED_KEYS"); len(values) == 0 && file != "" {
		values = []string{file}
	}
	return fleet.TrustedKeys(values)
}

// describeApproval shows everything that a person would allow, and how.
func describeApproval(line func(...string), pending schemas.PendingApproval) {
	for _, object := range pending.Sample {
		line("to delete", object)
	}
	if more := pending.Objects - len(pending.Sample); more > 0 {
		line("to delete", fmt.Sprintf("and %d more", more))
	}
	line("to allow it", "add this to the cluster's file under spec, and push:")
	line("", "approvals:")
	line("", "  deletions: [\""+pending.Digest+"\"]")
}

// describe shows one cluster as lines of name and value.
func describe(c fleet.Cluster) output.Table {
	var table output.Table
	line := func(cells ...string) { table.Rows = append(table.Rows, cells) }
	line("cluster", c.Name)
	line("state", string(c.State))
	if c.Message != "" {
		line("message", c.Message)
	}
	if c.Cloud != "" {
		line("cloud", c.Cloud)
	}
	line("generation", fmt.Sprintf("%d desired, %d applied", c.Desired, c.Applied))
	if c.Source != "" {
		line("source", c.Source)
	}
	if c.Infra != nil && c.Infra.Endpoint != "" {
		line("kubernetes", fmt.Sprintf("%s at %s", c.Infra.KubernetesVersion, c.Infra.Endpoint))
		for _, node := range c.Infra.Nodes {
			line("node", fmt.Sprintf("%s (pool %s): %s", node.Name, node.Pool, node.Phase))
		}
	}
	if c.Agent == nil {
		return table
	}
	for _, pending := range c.Agent.PendingApprovals {
		describeApproval(line, pending)
	}
	for _, layer := range c.Agent.Layers {
		line("layer", fmt.Sprintf("%s: %s, %d of %d ready", layer.Name, layer.Phase, layer.Ready, layer.Objects), layer.Message)
	}
	for _, issue := range c.Agent.Failing {
		line("failing", issue.Object, issue.Reason)
	}
	for _, issue := range c.Agent.Drift {
		line("drifted", issue.Object, issue.Reason)
	}
	line("healed", strconv.FormatInt(c.Agent.Healed, 10))
	line("updated", c.UpdatedAt)
	return table
}
