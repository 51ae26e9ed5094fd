using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Preconf.Native.Soak;

/// <summary>How large and long a soak is.</summary>
/// <param name="Peers">Peers that stay connected.</param>
/// <param name="Churn">Of them, so many a second leave and are replaced by new ones.</param>
/// <param name="Time">For how long.</param>
/// <param name="BudgetMiB">Memory of the node's process at the end, at most.</param>
internal sealed record SoakOptions(int Peers, int Churn, TimeSpan Time, int BudgetMiB)
{
    /// <summary>Peers that never leave: one that publishes, and one that listens.</summary>
    public const int Staying = 2;

    /// <summary>What the command line takes.</summary>
    public const string Usage = "usage: soak [--quick] [--peers N] [--churn PER_SECOND] [--seconds N] [--budget MIB]; without: 200 peers, 20 a second, 120 s, 160 MiB";

    /// <summary>Two minutes.</summary>
    public static SoakOptions Long { get; } = new(200, 20, TimeSpan.FromSeconds(120), 160);

    /// <summary>What CI has time for.</summary>
    public static SoakOptions Quick { get; } = new(60, 8, TimeSpan.FromSeconds(25), 128);

    public static bool TryParse(string[] args, [NotNullWhen(true)] out SoakOptions? options, [NotNullWhen(false)] out string? fault)
    {
        options = args.Contains("--quick") ? Quick : Long;
        fault = null;
        for (int i = 0; i < args.Length; i++)
        {
            if (args[i] == "--quick")
            {
                continue;
            }

            if (i + 1 == args.Length || !int.TryParse(args[i + 1], NumberStyles.None, CultureInfo.InvariantCulture, out int number) || number == 0)
            {
                fault = $"{args[i]}: a number above zero is wanted after it";
                return false;
            }

            SoakOptions? with = args[i] switch
            {
                "--peers" => options with { Peers = number },
                "--churn" => options with { Churn = number },
                "--seconds" => options with { Time = TimeSpan.FromSeconds(number) },
                "--budget" => options with { BudgetMiB = number },
                _ => null,
            };
            if (with is null)
            {
                fault = $"there is no option {args[i]}";
                return false;
            }

            options = with;
            i++;
        }

        if (options.Peers <= Staying)
        {
            fault = $"--peers: {options.Peers}; more than {Staying} are wanted, who never leave";
            options = null;
            return false;
        }

        return true;
    }
}
