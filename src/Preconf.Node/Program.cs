using System.CommandLine;
using System.CommandLine.Invocation;
using Preconf.Native.Network;
using Preconf.Node.Commands;
using Preconf.Node.Demo;

namespace Preconf.Node;

/// <summary>The program: its commands, and failures as exit codes and texts.</summary>
internal static class Program
{
    private static async Task<int> Main(string[] arguments)
    {
        RootCommand root = new("A node of Taiko's permissionless-preconfirmation network.")
        {
            RunCommand.Create(),
            KeyCommand.Create(),
            PublishCommand.Create(),
            DemoCommand.Create(),
            RoleCommand.Create(),
            EnrCommand.Create(),
        };
        foreach (Command command in AskCommands.Create().Concat(AdminCommands.Create()))
        {
            root.Subcommands.Add(command);
        }

        ParseResult parse = root.Parse(arguments);
        if (parse.Action is ParseErrorAction)
        {
            return (int)Fail(ExitCode.Usage, "usage", Usage(parse));
        }

        try
        {
            // The commands take signals over themselves, and their exceptions are told below.
            InvocationConfiguration configuration = new() { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null };
            return await parse.InvokeAsync(configuration).ConfigureAwait(false);
        }
        catch (P2pConfigException error)
        {
            return (int)Fail(ExitCode.Usage, "configuration", "what was given is not valid:" + string.Concat(error.Faults.Select(fault => "\n  - " + fault)));
        }
        catch (CommandException error)
        {
            return (int)Fail(error.ExitCode, error.Code, error.Message);
        }
        catch (NetworkException error)
        {
            return (int)Fail(ExitCode.Unexpected, error.Kind.ToCode(), error.Message);
        }
        catch (Exception error)
        {
            return (int)Fail(ExitCode.Unexpected, "unexpected", error.ToString());
        }
    }

    private static string Usage(ParseResult parse)
    {
        string command = string.Join(' ', parse.CommandResult.Command.Parents.OfType<Command>().Append(parse.CommandResult.Command).Select(part => part.Name));
        return $"{string.Join(Environment.NewLine + "  ", parse.Errors.Select(error => error.Message))}{Environment.NewLine}  see {command} --help";
    }

    private static ExitCode Fail(ExitCode exitCode, string code, string message)
    {
        Console.Error.WriteLine($"error[{code}]: {message}");
        return exitCode;
    }
}
