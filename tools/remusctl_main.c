/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <signal.h>
#include <stdio.h>

#include "tools/remusctl_args.h"
#include "tools/remusctl_commands.h"

const char *argp_program_version = "remusctl " REMUS_VERSION;

static const char doc[] =
    "Protect virtual machines, look at them, fail them over.\n"
    "\n"
    "Commands:\n"
    "  protect VM --to HOST[:PORT]  keep a copy of VM ready at HOST\n"
    "  unprotect VM                 end that\n"
    "  list                         VMs known to the daemons here\n"
    "  status [VM]                  how they do\n"
    "  events                       what happened\n"
    "  failover VM                  let VM run at the backup\n"
    "  export VM FILE               write the backup's copy of VM to a file, for 'xl restore'\n"
    "  forget VM                    drop the backup's record of a VM that no longer runs here\n"
    "  version                      versions of this program and of the daemons\n"
    "\n"
    "remusctl COMMAND --help tells more."
    "\vExit status: 0 done, 1 refused or failed, 2 bad command line, 3 daemon not reachable, "
    "4 unknown VM, 5 time-out, 6 'status VM': not protected or degraded.";

static const struct argp_option protect_options[] = {
    {"to", OPT_TO, "HOST[:PORT]", 0, "The backup host (port 7700)", 0},
    {"epoch", OPT_EPOCH, "MS", 0, "Epoch length, 1 to 10000 ms (default: remusd.conf)", 0},
    {"hold", OPT_HOLD, "WHERE", 0,
     "Where output waits for the seal: backup, primary or none (default: remusd.conf)", 0},
    {"suspend", OPT_SUSPEND, "MODE", 0,
     "How VM is stopped for an epoch: auto, cooperative or driver (default: remusd.conf)", 0},
    {"unsafe", OPT_UNSAFE, NULL, 0, "Allow what breaks output commit: --hold none", 0},
    {"wait", OPT_WAIT, NULL, 0, "Show the first copy's progress until VM is protected", 0},
    {0},
};
static const struct argp_option unprotect_options[] = {
    {"force", OPT_FORCE, NULL, 0, "Do not wait for the backup to drop its copy", 0},
    {0},
};
static const struct argp_option status_options[] = {
    {"watch", OPT_WATCH, NULL, 0, "Print again every second", 0},
    {0},
};
static const struct argp_option events_options[] = {
    {"follow", OPT_FOLLOW, NULL, 0, "Go on printing as events come", 0},
    {0},
};
static const struct argp_option failover_options[] = {
    {"force", OPT_FORCE, NULL, 0,
     "At the backup: resume the last sealed epoch once the primary's lease has run out", 0},
    {0},
};

static const struct argp_option export_options[] = {
    {"force", OPT_FORCE, NULL, 0, "Replace FILE if it is there", 0},
    {0},
};

static const struct ctl_command commands[] = {
    {"protect", "VM", "Keep a copy of VM ready at another host.", protect_options, 1, 1,
     cmd_protect},
    {"unprotect", "VM", "End the protection of VM, which runs on here.", unprotect_options, 1, 1,
     cmd_unprotect},
    {"list", "", "List the VMs known to the daemons here.", NULL, 0, 0, cmd_list},
    {"status", "[VM]", "Show how VMs do. With VM: exit status 6 unless it is protected.",
     status_options, 0, 1, cmd_status},
    {"events", "", "Show what happened.", events_options, 0, 0, cmd_events},
    {"failover", "VM", "Let VM run at the backup and end it here.", failover_options, 1, 1,
     cmd_failover},
    {"export", "VM FILE", "On the backup host: write the last sealed epoch of VM to FILE.",
     export_options, 2, 2, cmd_export},
    {"forget", "VM", "Drop the backup's record of a VM that once ran there.", NULL, 1, 1,
     cmd_forget},
    {"version", "", "Show versions.", NULL, 0, 0, cmd_version},
    {0},
};

int main(int argc, char **argv)
{
    struct ctl_args args;
    signal(SIGPIPE, SIG_IGN); /* a reader of stdout that goes away is seen as a write error */
    return ctl_args_parse(argc, argv, commands, doc, &args)->run(&args);
}
