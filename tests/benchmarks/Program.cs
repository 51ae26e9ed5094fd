using Preconf.Native.Benchmarks;
using Preconf.Native.Benchmarks.Net;
using Preconf.Native.Benchmarks.Ring;

// The first three are the suite's own: a command line is read before minutes of building; each run of a scenario, and the ring's
// benchmark, has a process to itself.
return args switch
{
    ["check-options", .. string[] rest] => Suite.CheckOptions(rest),
    ["net-run", string scenario, .. string[] rest] => await NetRun.RunAsync(scenario, rest),
    ["ring-run", string library, string runs, .. string[] rest] => RingBench.Run(library, runs, rest),
    _ => await Suite.RunAsync(args),
};
