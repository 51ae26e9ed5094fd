// powershell-check ROOT: parses every .ps1 under ROOT with PowerShell's own parser, refuses what Windows PowerShell 5.1 does not know and
// commands that nobody defines, then runs build/lib.ps1 and prints what it says of the sources, for the caller to compare.
using System.Management.Automation;
using System.Management.Automation.Language;
using System.Management.Automation.Runspaces;

// Operators that came with PowerShell 7.
TokenKind[] tooNew =
[
    TokenKind.QuestionMark, TokenKind.QuestionQuestion, TokenKind.QuestionQuestionEquals, TokenKind.QuestionDot,
    TokenKind.QuestionLBracket, TokenKind.AndAnd, TokenKind.OrOr,
];
// Programs and cmdlets that the scripts may call besides functions of their own.
string[] known =
[
    "cargo", "rustc", "dotnet", "perl", "Get-Command", "Select-Object", "Where-Object", "ForEach-Object", "Push-Location",
    "Pop-Location", "Set-StrictMode",
];

string root = args[0];
string[] files = [Path.Combine(root, "build.ps1"), .. Directory.GetFiles(Path.Combine(root, "build"), "*.ps1", SearchOption.AllDirectories)];
List<string> faults = [];
HashSet<string> defined = new(known, StringComparer.OrdinalIgnoreCase);
List<(string File, CommandAst Command)> called = [];
foreach (string file in files)
{
    ScriptBlockAst script = Parser.ParseFile(file, out Token[] tokens, out ParseError[] errors);
    string name = Path.GetRelativePath(root, file);
    faults.AddRange(errors.Select(error => $"{name}:{error.Extent.StartLineNumber}: {error.Message}"));
    faults.AddRange(tokens.Where(token => tooNew.Contains(token.Kind))
        .Select(token => $"{name}:{token.Extent.StartLineNumber}: '{token.Text}' is not in Windows PowerShell 5.1"));
    if (File.ReadAllBytes(file).Any(value => value > 127))
    {
        faults.Add($"{name}: not ASCII, which Windows PowerShell 5.1 reads in the machine's code page");
    }

    defined.UnionWith(script.FindAll(node => node is FunctionDefinitionAst, true).Cast<FunctionDefinitionAst>().Select(function => function.Name));
    called.AddRange(script.FindAll(node => node is CommandAst, true).Cast<CommandAst>().Select(command => (name, command)));
}

faults.AddRange(called.Where(call => call.Command.GetCommandName() is { } name && !defined.Contains(name))
    .Select(call => $"{call.File}:{call.Command.Extent.StartLineNumber}: no command '{call.Command.GetCommandName()}'"));
if (faults.Count > 0)
{
    faults.ForEach(Console.Error.WriteLine);
    return 1;
}

using Runspace runspace = RunspaceFactory.CreateRunspace(InitialSessionState.CreateDefault2());
runspace.Open();
using PowerShell shell = PowerShell.Create(runspace);
string library = Path.Combine(root, "build", "lib.ps1").Replace("'", "''", StringComparison.Ordinal);
string manifest = args[1].Replace("'", "''", StringComparison.Ordinal);
shell.AddScript($$"""
    . '{{library}}'
    $root = '{{root.Replace("'", "''", StringComparison.Ordinal)}}'
    Get-Rids | ForEach-Object { 'rid ' + $_.Rid + ' ' + $_.Triple + ' ' + $_.Library }
    'hash ' + (Get-SourcesHash)
    Get-SourcesList | ForEach-Object { 'source ' + $_ }
    'size ' + (Get-ManifestValue '{{manifest}}' size)
    'rustc ' + (Get-ManifestValue '{{manifest}}' rustc)
    """);
foreach (PSObject line in shell.Invoke())
{
    Console.WriteLine(line);
}

foreach (ErrorRecord error in shell.Streams.Error)
{
    Console.Error.WriteLine(error);
}

return shell.HadErrors ? 1 : 0;
